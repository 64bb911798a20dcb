# One command each: demo, run, test, bench. Every one installs what it needs first.

SWIFT ?= swift
CONFIG ?= release

.PHONY: deps build demo run load test test-kafka test-feast test-oracles fuzz-oracles bench bench-flink lint clean

deps:
	@scripts/install-dependencies

build: deps
	$(SWIFT) build -c $(CONFIG) --product millrace

demo: deps
	scripts/demo

run: deps
	scripts/demo --keep-serving

load: deps
	scripts/load-marketplace $(LOAD)

bench:
	scripts/bench $(BENCH)

test: deps
	scripts/test

test-kafka: deps
	scripts/kafka-kill-test

test-feast: deps
	scripts/test-feast

test-oracles: deps
	scripts/test-oracles

fuzz-oracles: deps
	scripts/fuzz-oracles

bench-flink: deps
	scripts/bench-flink $(BENCH)

lint:
	$(SWIFT) format lint --strict --recursive Sources Tests Benchmarks Package.swift

clean:
	rm -rf .build data
