a   = <<EOT
  left as it is
 x=1
EOT
bbb = 2
