shipctl {
  project = "shop"
}

locals {
  none = {}
}

defaults {
  batch {
    rnas   = "x"
#   ^^^^ error: Did you mean "run_as"?
    run_as = var.nope
#            ^^^^^^^^ error: There is no variable "nope"
  }
}

host "app" {
  for_each = {}
  adress   = each.value
# ^^^^^^ error: Did you mean "address"?
  port     = "many"
#            ^^^^^^ error: "port" is a number
  usr      = "x"
# ^^^ error: Did you mean "user"?
}

release "x" {
#^^^^^^^^^^ error: "source" is required
  for_each = {}
  hosts    = "nonsense"
#            ^^^^^^^^^^ error: "hosts" is a list
  root     = "/srv/${each.key}"
  rooot    = "x"
# ^^^^^ error: Did you mean "root"?
  version  = nosuch(1)
#            ^^^^^^ error: no function named "nosuch"
  bloc {}
# ^^^^ error: has no block "bloc"
}

release "right" {
  for_each = local.none
  hosts    = [host.app["a"], host.app[each.key]]
  root     = "/srv/${each.value.root}"
  source   = each.value.source
  shared   = [for x in each.value.shared : x]
}

service "right" {
  for_each = local.none
  release  = release.right[each.key]
  command  = ["./x", nosuch(slot.port)]
#                    ^^^^^^ error: no function named "nosuch"

  dynamic "slot" {
    for_each = each.value.slots
    labels   = [slot.key]
    content {
      port = slot.value
    }
  }
  health {
    tcp {}
  }
  nginx_upstream {
    hosts    = hosts_with({ role = "web" })
    file     = "/etc/nginx/conf.d/${each.key}.inc"
    variable = "a"
    drian    = "1s"
#   ^^^^^ error: Did you mean "drain"?
  }
}

service "instance" {
  for_each = {}
  release  = release.right["kr"]
  command  = ["./x"]
  slot "a" {
    port = each.value
  }
  slot "b" {
# ^^^^^^^^ error: "port" is required
  }
}
