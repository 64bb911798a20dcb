// swift-tools-version: 6.1
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .unsafeFlags(["-warnings-as-errors"]),
    // Tests run with the checks; in a release they cost up to a third of the time (a lookup, a table probe).
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
]

let package = Package(
    name: "millrace",
    products: [
        .executable(name: "millrace", targets: ["millrace"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // C libraries, each behind one thin Swift owner.
        .systemLibrary(name: "CRocksDB"),
        .systemLibrary(name: "CRdKafka"),
        .systemLibrary(name: "CLZ4"),
        .systemLibrary(name: "CZlib"),
        .systemLibrary(name: "CXXHash"),
        .systemLibrary(name: "CCurl"),
        .systemLibrary(name: "CHiredis"),
        .systemLibrary(name: "CExpat"),
        .target(name: "CPlatform", cSettings: [.define("_GNU_SOURCE")]),
        .target(name: "CDigest"),
        .target(name: "CText"),
        .target(
            name: "CTLS", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .target(name: "CRE2", linkerSettings: [.linkedLibrary("re2")]),
        .target(
            name: "CSimdJSON",
            linkerSettings: [.linkedLibrary("simdjson")]
        ),

        // The house, bottom up. Arrows point down only.
        .target(name: "RocksDB", dependencies: ["CRocksDB"], swiftSettings: strict),
        .target(
            name: "Codecs", dependencies: ["CLZ4", "CZlib", "CXXHash", "CPlatform"],
            swiftSettings: strict),
        .target(name: "Redis", dependencies: ["CHiredis"], swiftSettings: strict),
        .target(name: "HTTP", dependencies: ["CCurl"], swiftSettings: strict),
        .target(
            name: "StreamRuntime", dependencies: ["RocksDB", "Codecs", "CPlatform"],
            swiftSettings: strict),
        .target(
            name: "Operators", dependencies: ["StreamRuntime", "Codecs", "CDigest", "CRE2"],
            swiftSettings: strict),
        .target(
            name: "FeatureServe",
            dependencies: [
                "StreamRuntime", "RocksDB", "Codecs", "Redis", "CDigest", "CPlatform", "CTLS",
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
            ] + nio,
            swiftSettings: strict),
        .target(
            name: "ObjectStore", dependencies: ["StreamRuntime", "HTTP", "CDigest"],
            swiftSettings: strict),
        .target(
            name: "Connectors",
            dependencies: [
                "StreamRuntime", "FeatureServe", "RocksDB", "Codecs", "HTTP", "Redis", "CText",
                "CPlatform", "CRdKafka", "CExpat",
            ],
            swiftSettings: strict),
        .target(
            name: "Pipelines",
            dependencies: [
                "StreamRuntime", "Operators", "Connectors", "FeatureServe", "ObjectStore", "HTTP",
                "Codecs", "Redis", "Yams",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .target(
            name: "SampleData", dependencies: ["StreamRuntime", "Codecs"], swiftSettings: strict),
        .executableTarget(
            name: "millrace",
            dependencies: [
                "Pipelines", "SampleData", "StreamRuntime",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),

        .executableTarget(
            name: "EngineBenchmarks",
            dependencies: [
                "Pipelines", "SampleData", "StreamRuntime", "Operators", "Connectors",
                "FeatureServe", "Codecs",
            ],
            path: "Benchmarks/Engine", swiftSettings: strict),

        // A Kafka broker for the tests: no part of the program.
        .systemLibrary(name: "CEpoll", path: "Tests/Support/CEpoll"),
        .target(
            name: "TestBroker", dependencies: ["Codecs", "CPlatform", "CEpoll", "CDigest"],
            path: "Tests/Support/TestBroker", swiftSettings: strict + [.unsafeFlags(["-O"])]),
        .executableTarget(
            name: "test-broker", dependencies: ["TestBroker"], path: "Tests/Support/test-broker",
            swiftSettings: strict),

        // Optimised in every build: it walks through more than a hundred thousand worlds.
        .testTarget(
            name: "ProtocolTests", dependencies: ["TestBroker", "StreamRuntime"],
            swiftSettings: strict + [.unsafeFlags(["-O"])]),
        .testTarget(
            name: "TestBrokerTests", dependencies: ["TestBroker", "Codecs", "CRdKafka"],
            swiftSettings: strict),
        .target(
            name: "TestHTTP", dependencies: [], path: "Tests/Support/TestHTTP",
            swiftSettings: strict),
        .target(
            name: "MockCRM", dependencies: ["Connectors", "TestHTTP"],
            path: "Tests/Support/MockCRM", swiftSettings: strict),
        .executableTarget(
            name: "mock-crm", dependencies: ["MockCRM"], path: "Tests/Support/mock-crm",
            swiftSettings: strict),
        // Answers the differential fuzzer (scripts/fuzz-oracles): no part of the program.
        .executableTarget(
            name: "millrace-fuzz", dependencies: ["Pipelines", "Operators", "StreamRuntime"],
            path: "Tests/Support/millrace-fuzz", swiftSettings: strict),
        .testTarget(
            name: "HTTPTests", dependencies: ["HTTP", "TestHTTP"], swiftSettings: strict),
        .testTarget(
            name: "ObjectStoreTests", dependencies: ["ObjectStore", "TestHTTP"],
            swiftSettings: strict),
        .testTarget(
            name: "ShareTests",
            dependencies: [
                "Connectors", "Pipelines", "StreamRuntime", "TestBroker", "CRdKafka", "millrace",
            ], swiftSettings: strict),
        .testTarget(
            name: "KafkaTests",
            dependencies: [
                "Connectors", "Pipelines", "FeatureServe", "StreamRuntime", "TestBroker",
                "TestHTTP",
                "HTTP", "CRdKafka", "millrace",
            ], swiftSettings: strict),
        .testTarget(name: "RocksDBTests", dependencies: ["RocksDB"], swiftSettings: strict),
        .testTarget(name: "CodecsTests", dependencies: ["Codecs"], swiftSettings: strict),
        .testTarget(
            name: "StreamRuntimeTests", dependencies: ["StreamRuntime"], swiftSettings: strict),
        .testTarget(name: "OperatorsTests", dependencies: ["Operators"], swiftSettings: strict),
        .testTarget(
            name: "ConnectorsTests",
            dependencies: ["Connectors", "HTTP", "TestHTTP", "MockCRM", "Codecs", "CSimdJSON"],
            swiftSettings: strict),
        .testTarget(
            name: "FeatureServeTests", dependencies: ["FeatureServe", "Redis"],
            swiftSettings: strict),
        .testTarget(
            name: "PipelinesTests",
            dependencies: [
                "Pipelines", "SampleData", "TestHTTP", "MockCRM", "HTTP", "TestBroker",
                "Codecs",
            ],
            swiftSettings: strict),
    ],
    cxxLanguageStandard: .cxx17
)
