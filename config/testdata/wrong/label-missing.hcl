  release {
# ^^^^^^^ error: write release "NAME" { … }
}
