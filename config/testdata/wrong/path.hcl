locals {
  wrong = path.modul
#         ^^^^^^^^^^ error: Did you mean "module"?
  whole = path
#         ^^^^ error: There are cwd, module and root
}

release "a" {
  hosts = []
  root  = "${path.here}"
#            ^^^^^^^^^ error: There is no directory "here"
}
