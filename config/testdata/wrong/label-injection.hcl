release "a;id" {}
#       ^^^^^^ error: can't name a release
release "$(id)" {}
#       ^^^^^^^ error: can't name a release
release "-rf" {}
#       ^^^^^ error: can't name a release
release "../x" {}
#       ^^^^^^ error: can't name a release
release "a\nb" {}
#       ^^^^^^ error: can't name a release
release "" {}
#       ^^ error: can't name a release
release "a b" {}
#       ^^^^^ error: can't name a release
release "한국" {}
#       ^^^^ error: can't name a release
