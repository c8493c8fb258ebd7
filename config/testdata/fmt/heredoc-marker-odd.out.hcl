a = <<__END_OF_IT
EOT
__END_OF_IT
