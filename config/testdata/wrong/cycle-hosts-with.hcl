host "a" {
  labels = { n = length(hosts_with({ role = "app" })) }
#                       ^^^^^^^^^^ error: hosts_with() looks at all hosts, host.a too
}
