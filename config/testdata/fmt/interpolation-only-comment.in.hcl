a="${/* why */ var.x}"
b="${var.x /* why */}" # end
