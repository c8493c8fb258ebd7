resource foo bar {
a=1
}
