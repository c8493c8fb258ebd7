a={
b=1,
ccc=2,
}
