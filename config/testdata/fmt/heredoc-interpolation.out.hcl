a = <<EOT
${var.x}
%{if var.y}
  yes
%{endif}
%{~for x in var.l~}
${x}
%{~endfor~}
EOT
