a=aws.x.*.id
b=aws.x[*].id
c=aws.x[ * ].id
