release "x" "y" {}
#           ^^^ error: Write release "NAME" { … }
