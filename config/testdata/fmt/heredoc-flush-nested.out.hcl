a {
  b {
    c   = <<-EOT
one
  two
EOT
    ddd = 1
  }
}
