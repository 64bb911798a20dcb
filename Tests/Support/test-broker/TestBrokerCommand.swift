@main
struct TestBrokerCommand {
    static func main() {}
}
