block {}
block "a"   {   }
block{}
