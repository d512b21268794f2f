/*
 * cometd-nodejs-server behind the control lines of ../CONTROL.md: long-polling
 * at /cometd. Adds to it counters and the three services, and reads bodies as UTF-8.
 */
'use strict';

const cometd = require('cometd-nodejs-server');
const AckExtension = require('cometd-nodejs-server/ack-extension');
const control = require('../control');

const options = control.options({
	port: 'number', timeout: 'number', interval: 'number', 'max-interval': 'number', ack: 'flag',
});
const counters = new control.Counters();
const server = cometd.createCometDServer({
	timeout: options.timeout,
	interval: options.interval,
	maxInterval: options['max-interval'],
});
const sessions = new Set();

server.addListener('sessionAdded', (session) => sessions.add(session));
server.addListener('sessionRemoved', (session) => sessions.delete(session));
server.addExtension({
	incoming: (self, session, message, callback) => {
		counters.count(message);
		callback(undefined, true);
	},
	/* replies to what is published on /token bring data for the publisher alone */
	outgoing: (self, sender, session, message, callback) => {
		if (message.channel === '/token' && message.successful !== undefined)
			message.data = {userToken: 't1'};
		callback(undefined, true);
	},
});
if (options.ack)
	server.addExtension(new AckExtension.AcknowledgedMessagesExtension());

function service(name, answer) {
	server.createServerChannel(name).addListener('message', (session, channel, message, callback) => {
		answer(session, message);
		callback(undefined, true);
	});
}

/* The server appends each piece of a body to a string as it comes (1.2.1), so a character of which a
   packet holds one half is garbled. Whether that happens depends on the load of the machine. */
function handle(request, response) {
	request.setEncoding('utf8');
	server.handle(request, response);
}

/* the remote call of CometD: the answer carries the caller's id */
service('/service/echo', (session, message) => session._deliver(null, {
	id: message.id, channel: message.channel, data: message.data, successful: true,
}));
/* a plain delivery on another channel */
service('/service/deliver', (session, message) => {
	session.deliver(null, '/service/answer', message.data);
});
/* one that never answers */
service('/service/silent', () => {});

control.serve(control.createServer(handle), options.port || 0, counters, {
	publish: (channel, data) => server.createServerChannel(channel).publish(null, data),
	kick: () => sessions.forEach((session) => session.disconnect()),
	expire: () => sessions.forEach((session) => server._removeServerSession(session, true)),
	sessions: () => sessions.size,
});
