block {
nested "x" {
a="${var.x}"
bbbb="${var.y}"
deeper { c="${var.z}" }
}
}
