module github.com/akaripool/akari

go 1.26.0
