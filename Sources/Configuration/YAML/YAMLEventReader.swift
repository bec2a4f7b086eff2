internal import CYaml

/// Builds a tree from libyaml's events.
///
/// Yams' own composer is not used, because it stops at the first duplicate key, recurses as deep
/// as the file says, and hashes aliased keys, which a few lines of nested aliases turn into
/// minutes. Events carry all that is needed, and every bound is ours.
@safe struct YAMLEventReader: ~Copyable {
    private let file: String
    // libyaml keeps pointers into its parser, which therefore has an address of its own.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private var nodes = 0

    /// The document in `bytes`, `null` when there is none.
    static func document(_ bytes: [UInt8], file: String) throws(Diagnostic) -> YAMLNode {
        let start = SourceLocation(file: file, line: 1, column: 1)
        guard bytes.count <= YAMLLimits.bytes else {
            throw Diagnostic(
                .error,
                at: start,
                "the file has \(bytes.count) bytes",
                hint: "a configuration has at most \(YAMLLimits.bytes) bytes"
            )
        }
        // Copied into memory that stays in place for as long as libyaml reads it.
        let input = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(1, bytes.count))
        defer { unsafe input.deallocate() }
        for (index, byte) in bytes.enumerated() { unsafe input[index] = byte }
        let reader = YAMLEventReader(file: file)
        unsafe yaml_parser_set_encoding(reader.parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(reader.parser, input.baseAddress, bytes.count)
        return try root(reader)
    }

    private init(file: String) {
        self.file = file
        unsafe parser = .allocate(capacity: 1)
        unsafe parser.initialize(to: yaml_parser_t())
        unsafe yaml_parser_initialize(parser)
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
    }

    private static func root(
        _ reader: consuming YAMLEventReader
    ) throws(Diagnostic) -> YAMLNode {
        var reader = reader
        var document: YAMLNode?
        while true {
            let event = try reader.next()
            switch event.kind {
            case .documentStart where document != nil:
                throw Diagnostic(
                    .error,
                    at: event.location,
                    "a second document begins here",
                    hint: "a configuration is one document: remove the `---`"
                )
            case .streamEnd:
                let start = SourceLocation(file: reader.file, line: 1, column: 1)
                return document ?? YAMLNode(content: .null, location: start)
            case .streamStart, .documentStart, .documentEnd: continue
            default: document = try reader.node(from: event, depth: 0)
            }
        }
    }

    private mutating func node(
        from event: YAMLEvent,
        depth: Int
    ) throws(Diagnostic) -> YAMLNode {
        nodes += 1
        guard nodes <= YAMLLimits.nodes, depth <= YAMLLimits.depth else {
            throw Diagnostic(
                .error,
                at: event.location,
                depth > YAMLLimits.depth ? "nested too deeply" : "too many values",
                hint: "at most \(YAMLLimits.depth) levels and \(YAMLLimits.nodes) values"
            )
        }
        switch event.kind {
        case .scalar(let text, let isPlain):
            let isNull = isPlain && (text.isEmpty || text == "~" || text == "null")
            return YAMLNode(content: isNull ? .null : .scalar(text), location: event.location)
        case .sequenceStart: return try sequence(at: event.location, depth: depth)
        case .mappingStart: return try mapping(at: event.location, depth: depth)
        default:
            throw Diagnostic(
                .error,
                at: event.location,
                "a value is missing here",
                hint: "write the value"
            )
        }
    }

    private mutating func sequence(
        at location: SourceLocation,
        depth: Int
    ) throws(Diagnostic) -> YAMLNode {
        var items: [YAMLNode] = []
        var event = try next()
        while event.kind != .sequenceEnd {
            items.append(try node(from: event, depth: depth + 1))
            event = try next()
        }
        return YAMLNode(content: .sequence(items), location: location)
    }

    private mutating func mapping(
        at location: SourceLocation,
        depth: Int
    ) throws(Diagnostic) -> YAMLNode {
        var entries: [YAMLEntry] = []
        var event = try next()
        while event.kind != .mappingEnd {
            guard case .scalar(let key, _) = event.kind else {
                throw Diagnostic(
                    .error,
                    at: event.location,
                    "a key is a single word, not a list or mapping",
                    hint: "write `key: value`; put quotes around text that begins with [ or {"
                )
            }
            let value = try node(from: try next(), depth: depth + 1)
            entries.append(YAMLEntry(key: key, keyLocation: event.location, value: value))
            event = try next()
        }
        return YAMLNode(content: .mapping(entries), location: location)
    }
}

/// One event of libyaml's, copied out of its memory.
private struct YAMLEvent {
    enum Kind: Equatable {
        case streamStart, streamEnd, documentStart, documentEnd
        case sequenceStart, sequenceEnd, mappingStart, mappingEnd
        case scalar(String, isPlain: Bool)
    }

    let kind: Kind
    let location: SourceLocation
}

extension YAMLEventReader {
    private mutating func next() throws(Diagnostic) -> YAMLEvent {
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw syntaxError() }
        defer { unsafe yaml_event_delete(&event) }
        let location = unsafe location(of: event.start_mark)
        let (tag, anchor) = unsafe YAMLEventReader.properties(of: event)
        if tag || anchor {
            throw Diagnostic(
                .error,
                at: location,
                tag ? "a YAML tag" : "a YAML anchor or alias",
                hint: tag
                    ? "tags have no meaning here: remove the !…"
                    : "write the value out; put quotes around text that begins with & or *"
            )
        }
        let kind: YAMLEvent.Kind =
            switch unsafe event.type {
            case YAML_STREAM_START_EVENT: .streamStart
            case YAML_DOCUMENT_START_EVENT: .documentStart
            case YAML_DOCUMENT_END_EVENT: .documentEnd
            case YAML_SEQUENCE_START_EVENT: .sequenceStart
            case YAML_SEQUENCE_END_EVENT: .sequenceEnd
            case YAML_MAPPING_START_EVENT: .mappingStart
            case YAML_MAPPING_END_EVENT: .mappingEnd
            case YAML_SCALAR_EVENT: unsafe YAMLEventReader.scalar(event.data.scalar)
            default: .streamEnd
            }
        return YAMLEvent(kind: kind, location: location)
    }

    /// Whether the event carries a tag, and whether it is or carries a reference.
    @unsafe private static func properties(of event: yaml_event_t) -> (tag: Bool, anchor: Bool) {
        switch unsafe event.type {
        case YAML_ALIAS_EVENT: (false, true)
        case YAML_SCALAR_EVENT:
            unsafe (event.data.scalar.tag != nil, event.data.scalar.anchor != nil)
        case YAML_SEQUENCE_START_EVENT:
            unsafe (event.data.sequence_start.tag != nil, event.data.sequence_start.anchor != nil)
        case YAML_MAPPING_START_EVENT:
            unsafe (event.data.mapping_start.tag != nil, event.data.mapping_start.anchor != nil)
        default: (false, false)
        }
    }

    @unsafe private static func scalar(
        _ scalar: yaml_event_t.__Unnamed_union_data.__Unnamed_struct_scalar
    ) -> YAMLEvent.Kind {
        let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
        return unsafe .scalar(
            String(decoding: bytes, as: UTF8.self),
            isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE
        )
    }

    private func location(of mark: yaml_mark_t) -> SourceLocation {
        SourceLocation(file: file, line: mark.line + 1, column: mark.column + 1)
    }

    private func syntaxError() -> Diagnostic {
        let problem = unsafe parser.pointee.problem
        let text = unsafe problem.map { unsafe String(cString: $0) } ?? "out of memory"
        let isReader = unsafe parser.pointee.error == YAML_READER_ERROR
        let mark = unsafe isReader ? parser.pointee.mark : parser.pointee.problem_mark
        return Diagnostic(
            .error,
            at: location(of: mark),
            "not YAML: \(text)",
            hint: isReader
                ? "save the file as UTF-8 text"
                : "check the indentation, colons and quotes on this line and the one before"
        )
    }
}
