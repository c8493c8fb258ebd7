a=a.b.c.d.e.f.g
b=a . b
c=data.x.y["z"].w[0].v
