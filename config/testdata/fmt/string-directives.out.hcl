a = "%{if var.x}yes%{else}no%{endif}"
b = "%{for x in var.l}${x},%{endfor}"
c = "%{~if var.x~}y%{~endif~}"
