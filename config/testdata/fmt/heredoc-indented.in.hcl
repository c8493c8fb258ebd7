block {
a=<<-EOT
      one
        two
    EOT
bbb=2
}
