a=templatefile("x", {
b=<<EOT
text
EOT
c=1
})
