block {}
block "a" {}
block {}
