release "x" {
  hosts = []
  root  = file("nothing.txt")
#              ^^^^^^^^^^^^^ error: no such file or directory
}
service "x" {
  tags = [file("/dev/zero")]
#              ^^^^^^^^^^^ error: not a regular file
}
