module github.com/akaripool/akari/bench

go 1.26.0

require (
	github.com/akaripool/akari v0.0.0
	github.com/jackc/puddle/v2 v2.2.3
)

require golang.org/x/sync v0.25.0 // indirect

replace github.com/akaripool/akari => ../
