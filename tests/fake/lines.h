/*
 * Messages of a client with the recorded order of members, and the server's advice;
 * CID is replaced by the client id.
 */
#ifndef TESTS_FAKE_LINES_H
#define TESTS_FAKE_LINES_H

#define ADVICE(timeout) \
	"\"advice\":{\"interval\":0,\"timeout\":" timeout ",\"reconnect\":\"retry\"}"
#define SUBSCRIBE(channel, id) \
	"{\"channel\":\"/meta/subscribe\",\"clientId\":\"CID\",\"id\":\"" id "\"," \
	"\"subscription\":\"" channel "\"}"
#define PUBLISH(channel, id, data) \
	"{\"channel\":\"" channel "\",\"clientId\":\"CID\",\"id\":\"" id "\",\"data\":" data "}"
#define HANDSHAKE \
	"{\"channel\":\"/meta/handshake\",\"version\":\"1.0\",\"minimumVersion\":\"1.0\"," \
	"\"supportedConnectionTypes\":[\"websocket\",\"long-polling\"],\"id\":\"1\"}"
#define CONNECT(id, more) \
	"{\"channel\":\"/meta/connect\",\"clientId\":\"CID\"," \
	"\"connectionType\":\"long-polling\",\"id\":\"" id "\"" more "}"
#define DISCONNECT(id) \
	"{\"channel\":\"/meta/disconnect\",\"clientId\":\"CID\",\"id\":\"" id "\"}"

#endif
