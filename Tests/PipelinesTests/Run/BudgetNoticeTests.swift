import Testing

@testable import Pipelines

@Suite struct BudgetNoticeTests {
    @Test func `keys in use that take more than all state may are told once, with what to do`() {
        var notice = BudgetNotice(tableBytes: 1000)
        #expect(notice.line(sparedBytes: [0, 1000]) == nil)
        let line = notice.line(sparedBytes: [10, 1001])
        #expect(line?.contains("1,001 bytes") == true)
        #expect(line?.contains("`memory:`") == true)
        #expect(notice.line(sparedBytes: [5000]) == nil)
    }
}
