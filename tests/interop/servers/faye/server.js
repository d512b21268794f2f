/*
 * Faye behind the control lines of ../CONTROL.md: long-polling and WebSocket at
 * /cometd. Adds to it nothing but counters and the services: Faye itself knows
 * none, so an extension answers what is published to one, to the caller alone.
 */
'use strict';

const faye = require('faye');
const control = require('../control');

const options = control.options({port: 'number', timeout: 'number', interval: 'number'});
const counters = new control.Counters();
const seconds = (ms) => (ms === undefined ? undefined : ms / 1000);
const adapter = new faye.NodeAdapter({
	mount: '/cometd',
	timeout: seconds(options.timeout),
	engine: {interval: seconds(options.interval)},
});
const engine = adapter._server._engine;
const sessions = new Set();

adapter.on('handshake', (clientId) => sessions.add(clientId));
adapter.on('disconnect', (clientId) => sessions.delete(clientId));

function deliver(clientId, message) {
	const waiting = engine._engine._messages;

	if (!waiting.has(clientId))
		waiting.set(clientId, []);
	waiting.get(clientId).push(message);
	engine._engine.emptyQueue(clientId);
}

const services = {
	/* the remote call of CometD: the answer carries the caller's id */
	'/service/echo': ({id, clientId, channel, data}) => {
		deliver(clientId, {id, channel, data, successful: true});
	},
	/* a plain delivery on another channel */
	'/service/deliver': ({clientId, data}) => {
		deliver(clientId, {channel: '/service/answer', data});
	},
	/* one that never answers */
	'/service/silent': () => {},
};

adapter.addExtension({
	incoming: (message, callback) => {
		counters.count(message);
		if (Object.hasOwn(services, message.channel))
			services[message.channel](message);
		callback(message);
	},
	/* replies to what is published on /token bring data for the publisher alone */
	outgoing: (message, callback) => {
		if (message.channel === '/token' && message.successful !== undefined)
			message.data = {userToken: 't1'};
		callback(message);
	},
});

const server = control.createServer();
adapter.attach(server);
control.serve(server, options.port || 0, counters, {
	publish: (channel, data) => engine.publish({channel, data}),
	/* Faye never says /meta/disconnect: a session that it ends is unknown at
	 * once, and its WebSocket is closed */
	kick: () => sessions.forEach((clientId) => engine.destroyClient(clientId)),
	/* as if it had been restarted: all forgotten, every connection still open */
	expire: () => {
		engine._engine.reset();
		sessions.clear();
	},
	sessions: () => sessions.size,
});
