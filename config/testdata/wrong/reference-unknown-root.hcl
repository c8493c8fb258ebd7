release "teatime" {
  hosts = []
  root  = teatime
#         ^^^^^^^ error: Did you mean release.teatime?
}
service "x" {
  tags = [blue, relaese.teatime.root]
#         ^^^^ error: Text is written in quotes: "blue"
#               ^^^^^^^^^^^^^^^^^^^^ error: Did you mean "release"?
  env = { A = slto.port }
#             ^^^^^^^^^ error: Did you mean "slot"?
}
