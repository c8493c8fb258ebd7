a="${foo(<<EOT
text
EOT
)}"
