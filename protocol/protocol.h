/*
 * The local wire as tables. The daemon, the client library, their tests and the
 * check of PROTOCOL.md all use them; no other file contains the name of an op, a
 * field or an error code, or the number of a limit.
 *
 * A frame is a 4-byte big-endian length and that many bytes of UTF-8 JSON, one
 * object. The peer sends the first frame, `hello`. Requests carry an `id` and get
 * exactly one `reply` with that id; everything else from the daemon is an event.
 *
 * Extension: the daemon rejects an unknown field, so that a typing error is
 * reported and not ignored. There are two exceptions, marked PROTOCOL_OPEN: the
 * daemon ignores unknown fields of `hello` (from a newer peer), and a peer must
 * ignore unknown events and unknown fields of whatever the daemon sends (a newer
 * daemon).
 *
 * Numbers and names never get another meaning; retired ones stay listed as
 * retired.
 */
#ifndef PROTOCOL_PROTOCOL_H
#define PROTOCOL_PROTOCOL_H

#define PROTOCOL_VERSION_MIN 1
#define PROTOCOL_VERSION_MAX 1

/* limits, in bytes unless noted */
#define PROTOCOL_PREFIX 4                     /* the length in front of a frame */
#define PROTOCOL_HELLO_MAX 4096               /* the first frame */
#define PROTOCOL_REQUEST_MAX (4u << 20)       /* any later frame of a peer */
#define PROTOCOL_FRAME_MAX (16u << 20)        /* any frame of the daemon */
#define PROTOCOL_DEPTH_MAX 32                 /* nesting of arrays and objects */
#define PROTOCOL_CHANNEL_MAX 2048             /* a channel name or pattern */
#define PROTOCOL_SEGMENTS_MAX 32              /* segments of a channel */
#define PROTOCOL_CHANNELS_MAX 64              /* channels of one subscribe */
#define PROTOCOL_NAME_MAX 64                  /* name of a peer, a server or a consumer */
#define PROTOCOL_HELLO_TIMEOUT_MS 5000        /* deadline for a complete hello */
#define PROTOCOL_TIMEOUT_DEFAULT_MS 30000     /* of a publish or call that names none */
#define PROTOCOL_TIMEOUT_MAX_MS 3600000

/* who may send an op */
#define PROTOCOL_FROM_PEER 1
#define PROTOCOL_FROM_DAEMON 2
/* unknown fields are ignored */
#define PROTOCOL_OPEN 4

/*
 * Fields: X(SYMBOL, member, "name", TYPE, "meaning").
 * U64 is a whole number from 0 to 2^64-1, BOOL true or false, STRING text,
 * STRINGS an array of text, OBJECT and ANY raw JSON that is passed on as it is.
 */
#define PROTOCOL_FIELDS(X)                                                                         \
	X(ID, id, "id", U64, "names a request; its reply carries the same")                        \
	X(VERSION, version, "version", U64, "highest protocol version the peer speaks")            \
	X(NAME, name, "name", STRING, "what the peer calls itself, shown by status")               \
	X(SERVER, server, "server", STRING, "a configured server; default: the default server")    \
	X(CHANNEL, channel, "channel", STRING, "one channel or pattern")                           \
	X(CHANNELS, channels, "channels", STRINGS, "several channels or patterns")                 \
	X(UPSTREAM, upstream, "upstream", BOOL,                                                    \
	  "false: listen to what arrives anyway, ask the server nothing")                          \
	X(OVERFLOW, overflow, "overflow", STRING,                                                  \
	  "when the peer reads too slowly: drop-oldest (default) or disconnect")                   \
	X(EPOCH, epoch, "epoch", STRING, "which run of seq, 16 hexadecimal digits")                \
	X(HISTORY, history, "history", U64, "begin with up to so many of the last messages")       \
	X(MORE, more, "more", BOOL, "further subscribes follow, whose past is read together")      \
	X(DURABLE, durable, "durable", STRING, "name of a consumer: continue after what it acknowledged") \
	X(DATA, data, "data", ANY, "payload of a message")                                         \
	X(EXT, ext, "ext", OBJECT, "Bayeux ext of a message")                                      \
	X(TIMEOUT, timeout, "timeout", U64, "deadline in milliseconds from now")                   \
	X(DETAIL, detail, "detail", BOOL, "status: true for the channels of each peer, too")       \
	X(OK, ok, "ok", BOOL, "whether the request succeeded")                                     \
	X(RESULT, result, "result", OBJECT, "the result of a request that succeeded")              \
	X(ERROR, error, "error", OBJECT, "code, message and, from the server, bayeux")             \
	X(PENDING, pending, "pending", BOOL, "whether the server is asked again after a pause")    \
	X(SEQ, seq, "seq", U64, "number of a message, counted per server from 1")                  \
	X(MESSAGE, message, "message", ANY, "the Bayeux message")                                  \
	X(BINARY, binary, "binary", OBJECT, "bytes: data in base64, last and meta")                \
	X(STATE, state, "state", STRING, "state of the session with the server")                   \
	X(REASON, reason, "reason", STRING, "why, for people to read")                             \
	X(SINCE, since, "since", U64, "a time of day, in milliseconds since 1970 (UTC)")           \
	X(RETRY_IN, retry_in, "retry_in", U64, "milliseconds until the next try")                  \
	X(GAP, gap, "gap", BOOL, "whether messages may have been missed since last connected")     \
	X(TRANSPORT, transport, "transport", STRING, "websocket or long-polling")                  \
	X(URL, url, "url", STRING, "where the session is or is tried, without query")              \
	X(GENERATION, generation, "generation", U64, "counts the sessions made with the server")   \
	X(COUNT, count, "count", U64, "how many messages")                                         \
	X(FIRST, first, "first", U64, "lowest seq concerned")                                      \
	X(LAST, last, "last", U64, "highest seq concerned")                                        \
	X(CODE, code, "code", STRING, "one of the error codes")

#define PROTOCOL_F(symbol) (1ull << PROTOCOL_FIELD_##symbol)

/*
 * Ops: X(SYMBOL, "name", who, required fields, optional fields, "meaning").
 * A request is what FROM_PEER marks.
 */
#define PROTOCOL_OPS(X)                                                                            \
	X(HELLO, "hello", PROTOCOL_FROM_PEER | PROTOCOL_OPEN,                                      \
	  PROTOCOL_F(ID) | PROTOCOL_F(VERSION), PROTOCOL_F(NAME),                                  \
	  "first frame; the reply has versions, limits, your identity, the servers")               \
	X(SUBSCRIBE, "subscribe", PROTOCOL_FROM_PEER, PROTOCOL_F(ID),                              \
	  PROTOCOL_F(SERVER) | PROTOCOL_F(CHANNEL) | PROTOCOL_F(CHANNELS) |                        \
		  PROTOCOL_F(UPSTREAM) | PROTOCOL_F(OVERFLOW) | PROTOCOL_F(HISTORY) |              \
		  PROTOCOL_F(EPOCH) | PROTOCOL_F(SEQ) | PROTOCOL_F(SINCE) | PROTOCOL_F(MORE) |    \
		  PROTOCOL_F(DURABLE),                                                             \
	  "receive channels; replied when the server answered, or at once while it is away")       \
	X(UNSUBSCRIBE, "unsubscribe", PROTOCOL_FROM_PEER, PROTOCOL_F(ID),                          \
	  PROTOCOL_F(SERVER) | PROTOCOL_F(CHANNEL) | PROTOCOL_F(CHANNELS),                         \
	  "no longer receive channels")                                                            \
	X(PUBLISH, "publish", PROTOCOL_FROM_PEER, PROTOCOL_F(CHANNEL),                             \
	  PROTOCOL_F(DATA) | PROTOCOL_F(BINARY) | PROTOCOL_F(ID) | PROTOCOL_F(SERVER) |            \
		  PROTOCOL_F(EXT) | PROTOCOL_F(TIMEOUT),                                           \
	  "replied when the server has answered; without id there is no reply")                    \
	X(CALL, "call", PROTOCOL_FROM_PEER, PROTOCOL_F(ID) | PROTOCOL_F(CHANNEL),                  \
	  PROTOCOL_F(DATA) | PROTOCOL_F(BINARY) | PROTOCOL_F(SERVER) | PROTOCOL_F(EXT) |           \
		  PROTOCOL_F(TIMEOUT),                                                             \
	  "ask a service channel; the answer goes to this peer alone")                             \
	X(ACK, "ack", PROTOCOL_FROM_PEER, PROTOCOL_F(DURABLE) | PROTOCOL_F(SEQ),                   \
	  PROTOCOL_F(ID) | PROTOCOL_F(SERVER),                                                     \
	  "the consumer has processed all messages up to seq; without id there is no reply")       \
	X(CONSUMERS, "consumers", PROTOCOL_FROM_PEER, PROTOCOL_F(ID), PROTOCOL_F(SERVER),          \
	  "the consumers of all servers, or of one")                                               \
	X(FORGET, "forget", PROTOCOL_FROM_PEER, PROTOCOL_F(ID) | PROTOCOL_F(DURABLE),              \
	  PROTOCOL_F(SERVER), "removes a consumer, with the messages that wait for it")            \
	X(STATUS, "status", PROTOCOL_FROM_PEER, PROTOCOL_F(ID), PROTOCOL_F(DETAIL),                \
	  "a snapshot of the daemon")                                                              \
	X(RELOAD, "reload", PROTOCOL_FROM_PEER, PROTOCOL_F(ID), 0,                                \
	  "read the configuration again; replied when it is in effect, or not used")               \
	X(CONFIG, "config", PROTOCOL_FROM_PEER, PROTOCOL_F(ID), 0,                                \
	  "the configuration in effect, as text")                                                  \
	X(PING, "ping", PROTOCOL_FROM_PEER, PROTOCOL_F(ID), 0, "a round trip")                     \
	X(REPLY, "reply", PROTOCOL_FROM_DAEMON | PROTOCOL_OPEN,                                    \
	  PROTOCOL_F(ID) | PROTOCOL_F(OK), PROTOCOL_F(RESULT) | PROTOCOL_F(ERROR),                 \
	  "answer to the request with this id")                                                    \
	X(MESSAGE, "message", PROTOCOL_FROM_DAEMON | PROTOCOL_OPEN,                                \
	  PROTOCOL_F(SERVER) | PROTOCOL_F(SEQ) | PROTOCOL_F(MESSAGE), PROTOCOL_F(BINARY),          \
	  "a Bayeux message, byte for byte but for its clientId")                                  \
	X(STATE, "state", PROTOCOL_FROM_DAEMON | PROTOCOL_OPEN,                                    \
	  PROTOCOL_F(SERVER) | PROTOCOL_F(STATE) | PROTOCOL_F(SINCE) | PROTOCOL_F(GAP),            \
	  PROTOCOL_F(REASON) | PROTOCOL_F(RETRY_IN) | PROTOCOL_F(TRANSPORT) |                      \
		  PROTOCOL_F(URL) | PROTOCOL_F(GENERATION) | PROTOCOL_F(EPOCH) |                   \
		  PROTOCOL_F(SEQ) | PROTOCOL_F(FIRST),                                             \
	  "the session with a server changed")                                                     \
	X(SUBSCRIPTION, "subscription", PROTOCOL_FROM_DAEMON | PROTOCOL_OPEN,                      \
	  PROTOCOL_F(SERVER) | PROTOCOL_F(CHANNEL) | PROTOCOL_F(OK),                               \
	  PROTOCOL_F(ERROR) | PROTOCOL_F(PENDING) | PROTOCOL_F(SEQ),                               \
	  "the server's answer for a channel after the reply to subscribe")                        \
	X(LOST, "lost", PROTOCOL_FROM_DAEMON | PROTOCOL_OPEN,                                      \
	  PROTOCOL_F(SERVER) | PROTOCOL_F(COUNT) | PROTOCOL_F(FIRST) | PROTOCOL_F(LAST) |          \
		  PROTOCOL_F(CODE),                                                                \
	  PROTOCOL_F(CHANNEL), "messages that do not reach this peer, ahead of the next one")      \
	X(CLOSING, "closing", PROTOCOL_FROM_DAEMON | PROTOCOL_OPEN,                                \
	  PROTOCOL_F(CODE) | PROTOCOL_F(REASON), PROTOCOL_F(RETRY_IN),                             \
	  "the daemon closes the connection")

/*
 * Error codes, of `reply.error`, `subscription.error`, `closing` and `lost`:
 * X(SYMBOL, "code", "meaning").
 */
#define PROTOCOL_ERRORS(X)                                                                         \
	X(BAD_FRAME, "bad-frame", "length 0, or not one JSON object in UTF-8; closes")             \
	X(TOO_LARGE, "too-large", "a frame or a message beyond the limit")                         \
	X(HELLO_REQUIRED, "hello-required", "the first frame was no hello, or came late; closes")  \
	X(HELLO_TWICE, "hello-twice", "a second hello; closes")                                    \
	X(BAD_VERSION, "bad-version", "no common version; closes")                                 \
	X(UNKNOWN_OP, "unknown-op", "no such op")                                                  \
	X(BAD_REQUEST, "bad-request", "a field is missing, unknown or of the wrong type")          \
	X(ID_IN_USE, "id-in-use", "a request with this id still waits for its reply")              \
	X(BAD_CHANNEL, "bad-channel", "not a channel name that this request may use")              \
	X(UNKNOWN_SERVER, "unknown-server", "no such server, or none is the default")              \
	X(NOT_SUBSCRIBED, "not-subscribed", "this peer holds no such subscription")                \
	X(UNKNOWN_CONSUMER, "unknown-consumer", "no consumer has this name, or this peer does not hold it") \
	X(IN_USE, "in-use", "another connection holds the consumer")                               \
	X(DENIED, "denied", "access rules forbid it")                                              \
	X(TOO_MANY, "too-many", "a limit on peers, subscriptions, requests or bytes is reached")   \
	X(REFUSED, "refused", "the server rejected it; bayeux is its message")                     \
	X(NOT_SENT, "not-sent", "never left the daemon; safe to send again")                       \
	X(UNKNOWN_OUTCOME, "unknown-outcome", "sent, but no answer came; it may have happened")    \
	X(TIMEOUT, "timeout", "the call was not answered in time")                                 \
	X(OVERFLOW, "overflow", "the peer reads too slowly")                                       \
	X(EXPIRED, "expired", "messages after a position are no longer in the log")                 \
	X(UNREADABLE, "unreadable", "a message of the server cannot be read")                      \
	X(BAD_CONFIG, "bad-config", "the configuration has an error and is not used")              \
	X(SHUTDOWN, "shutdown", "the daemon stops")                                                \
	X(INTERNAL, "internal", "the daemon failed, for example out of memory")

#define PROTOCOL_ENUM_FIELD(symbol, member, name, type, meaning) PROTOCOL_FIELD_##symbol,
enum protocol_field { PROTOCOL_FIELDS(PROTOCOL_ENUM_FIELD) PROTOCOL_FIELDS_END };

#define PROTOCOL_ENUM_OP(symbol, name, who, required, optional, meaning) PROTOCOL_OP_##symbol,
enum protocol_op { PROTOCOL_OPS(PROTOCOL_ENUM_OP) PROTOCOL_OPS_END };

#define PROTOCOL_ENUM_ERROR(symbol, code, meaning) PROTOCOL_E_##symbol,
enum protocol_error { PROTOCOL_ERRORS(PROTOCOL_ENUM_ERROR) PROTOCOL_ERRORS_END };

#endif
