block{a=1}
block   {   a = 1   }
block { a=1 } # trailing
