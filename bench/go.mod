module github.com/akaripool/akari/bench

go 1.26.0

require github.com/akaripool/akari v0.0.0

replace github.com/akaripool/akari => ../
