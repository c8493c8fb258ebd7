a=1
bbb=[
1,
2,
]
cccccc=3
d=4
