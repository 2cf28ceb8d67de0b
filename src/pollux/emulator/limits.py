"""Limits of the emulator: each has a name, a number and a reason."""

BATCHES_MAX = 100
"""Batches of one project that are kept. Source: gemini-native.md, section 20 (100 concurrent batch requests)."""

BATCH_INLINE_BYTES_MAX = 20_000_000
"""Body of a create that holds its requests itself. Source: gemini-native.md, section 20."""

BATCH_PIECE_BYTES = 1_048_576
"""Bytes of a batch's input that are read at once."""

BATCH_LINE_BYTES_MAX = 104_857_600
"""One line of a batch: as large as a request may be."""

BODY_BYTES_MAX = 104_857_600
"""A request's body. The real limit for inline data since January 2026 (100 MB)."""

BODY_SECONDS_MAX = 60.0
"""Time to receive a whole body, from first byte to last: a slow sender must not hold a task for ever."""

DEPTH_MAX = 100
"""Nesting of a request. Protobuf's own recursion limit is 100."""

VIOLATIONS_MAX = 100
"""Field violations told in one error: a body of a million unknown names must not make an answer of the same size."""

TOKEN_TEXT_EXACT_MAX = 1_000_000
"""Characters of one text that are counted word by word; beyond, four characters are one token, to answer in time."""

DELAY_SECONDS_MAX = 600.0
"""Any delay asked for by a fault or a latency profile: longer than any client's patience, short enough to end."""

FAULT_HEADER_CHARS_MAX = 2_000
"""Length of an `x-emulator-fault` header: the longest useful one has some two hundred characters."""

FAULT_COUNTERS_MAX = 1_000
"""Count-limited faults of headers that are remembered; the oldest is forgotten, and would count from zero."""

RULES_MAX = 200
"""Rules at a time: each is tried for each request."""

SCRIPT_ENTRIES_MAX = 2_000
"""Entries of a script: each is tried for each request until one matches."""

SCRIPT_BYTES_MAX = 20_000_000
"""Size of a script file."""

REGEX_TEXT_CHARS_MAX = 100_000
"""Text that a script's regular expression is tried on: longer texts are cut, so that matching stays quick."""

JOURNAL_ENTRIES_MAX = 500
"""Exchanges kept in the journal; the oldest goes first."""

JOURNAL_BODY_BYTES_MAX = 65_536
"""A request body as kept in the journal; of a larger one only its size is kept. Together at most 32 MB."""

WORDS_MAX = 20_000
"""Words on demand ("write 500 words"): about 26,000 tokens, a stream of some hundreds of events."""

QUOTE_CHARS_MAX = 600
"""Of the last user text, as quoted in an answer: enough for several stream events."""

RESULTS_TOLD_MAX = 20
"""Results of functions that an answer tells; it counts the others."""

OUTPUT_TOKENS_MAX = 65_536
"""Visible tokens of any answer, scripted ones too: the largest outputTokenLimit of the models listed."""

START_SECONDS_MAX = 10.0
"""Time for the emulator's own server to listen, before a test that waits for it is told so."""

STOP_SECONDS_MAX = 5.0
"""Time for open connections to end when the emulator's own server is stopped."""

UPLOAD_PIECE_SECONDS_MAX = 60.0
"""Silence inside a body that is streamed: an upload of gigabytes takes its time, but must go on."""

UPLOAD_WRITE_BYTES = 1_048_576
"""Bytes of an upload that are gathered and then hashed and written at once, in a thread."""

UPLOADS_MAX = 1_000
"""Uploads that were begun and not finished; the oldest is given up."""

UPLOAD_HOURS_MAX = 48
"""How long an upload may be continued."""

MEMORY_FILE_BYTES_MAX = 65_536
"""A larger file is kept on disk."""

MEMORY_BYTES_MAX = 16_777_216
"""Bytes of all files that are kept in memory; beyond, small ones too are kept on disk."""

FILE_BYTES_MAX = 2_147_483_648
"""A file (2 GB). Source: the discovery document, media.upload, `maxSize`."""

PROJECT_BYTES_MAX = 21_474_836_480
"""All files of a project (20 GB). Source: gemini-native.md, section 19."""

FILE_PART_BYTES_MAX = 1_048_576
"""Metadata in a multipart upload: a name and a type have some hundred bytes."""

FILE_TEXT_BYTES_MAX = 4_000_000
"""Of a text file that a request refers to, as read to count and quote it: about a million tokens."""

DOWNLOAD_PIECE_BYTES = 262_144
"""Bytes of a download that are read and sent at once."""

ROUNDS_MAX = 100
"""Rounds of calls that a prompt may ask for ("in 10 rounds"): more than any loop that a test drives."""

CALLS_MAX = 64
"""Calls of one round that a prompt may ask for: more than any model makes at once."""

PROMPT_READ_CHARS_MAX = 20_000
"""Text that is searched for names, numbers and functions: the beginning of a longer one, to answer in time."""

SCHEMA_DEPTH_MAX = 12
"""Depth to which optional parts of arguments are filled; what refers to itself must end."""

ARGUMENT_VALUES_MAX = 5_000
"""Values in the arguments of one call: a schema that doubles at each step must end too."""

ARGUMENT_ITEMS_MAX = 1_000
"""Items of a list that `minItems` may demand."""

ARGUMENT_OPTIONAL_MAX = 60
"""Optional fields that one structured answer fills: enough for any model of a program, not for a whole configuration."""

DRAWN_AGAIN_MAX = 8
"""How often a value is drawn that does not fit yet: each time other choices are made."""

CONTINUATION_HOURS_MAX = 24
"""How long a continuation token is good; the real time is not known."""

LONG_WORDS_MAX = 200_000
"""Words on demand of a family that continues its answers: enough for several requests."""

QUERY_CHARS_MAX = 200
"""Of the last user text, as the query of a search."""

LISTEN_SECONDS_MAX = 1_200
"""Of a sound that is listened to: twenty minutes are 20 MB of samples."""

MEDIA_THREADS = 2
"""Threads that decode and draw: one for each core of a small machine; more wait their turn."""

PICTURE_PIXELS_MAX = 100_000_000
"""Pixels of a picture or of a film's frame: 12,000 by 8,000, more than a camera takes; a bomb has more."""

HEARD_SECONDS_MAX = 60.0
"""Of a sound, as decoded to measure its loudness; its duration is read to the end."""

PACKETS_MAX = 1_000_000
"""Packets of a sound or a film that are read for its duration: some hours."""

PDF_INFLATED_BYTES_MAX = 50_000_000
"""Of a PDF's compressed object streams, as read to count its pages."""

INLINE_PDF_BYTES_MAX = 52_428_800
"""A PDF inside a request (50 MB). Source: gemini-native.md, section 26."""

IMAGES_MAX = 3_600
"""Images of one request. Source: gemini-native.md, section 26."""

MEDIA_TOLD_MAX = 20
"""Media that an answer describes; it counts the others."""

MEDIA_MAKERS = 2
"""Films that are made at the same time: one of 720p keeps one processor busy for a second or two."""

FILMS_WAITING_MAX = 32
"""Films that wait to be made: more would keep the machine busy for minutes."""

FILM_BYTES_MAX = 100_000_000
"""Of a film that is extended: 148 seconds have some 10 MB."""

LETTERING_CHARS_MAX = 2_000
"""Of a prompt, as written into a picture: more cannot be read."""
