a={
b=<<EOT
text
EOT
ccc=1
}
