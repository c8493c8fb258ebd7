# hash
// slashes
/* block */
/*
multi
  line
*/
a = 1
