my-attr=1
b-c-d = host.batch-1.name
my-block "x-y" {
a=b - c
d=b-c
}
