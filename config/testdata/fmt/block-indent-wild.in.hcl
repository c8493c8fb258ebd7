          release "x" {
      hosts = []
   root="/srv"
            slot "blue" {
port=8081
                 }
     }
