  release "x" {
# ^^^^^^^^^^^ error: "root" is required
  hosts = []
}
