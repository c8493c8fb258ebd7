a="${foo(<<EOT
${x}
EOT
)}"
b="${foo(<<EOT
x
EOT
, "${x}")}"
c="${<<EOT
x
EOT
}"
d="${foo("${x}")}"
e="${foo("%{if x}y%{endif}")}"
f="${"${x}"}"
g="${{a="${x}"}}"
h="${foo(<<EOT
%{if x}y%{endif}
EOT
)}"
i="${x}${"${y}"}"
j="${"${y}"}${x}"
k="${"${y}${z}"}"
l="${"${y}"}-${"${y}"}"
