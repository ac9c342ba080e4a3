module tocsin.invalid/promql-peer

go 1.26

require github.com/prometheus/prometheus v0.316.0
