/*
 * The control lines of CONTROL.md for the servers that run in Node: options in,
 * commands on standard input, answers on standard output, counters. It knows no
 * server; each hands it what a command has to do there.
 */
'use strict';

const http = require('http');
const readline = require('readline');

const BIND_PATIENCE_MS = 10000;

/* Parses "--name value" and "--flag" by a table {name: 'number' | 'flag'}. */
exports.options = (known) => {
	const found = {};
	const args = process.argv.slice(2);

	while (args.length > 0) {
		const arg = args.shift();
		const name = arg.replace(/^--/, '');
		if (!arg.startsWith('--') || !(name in known))
			fail(`unknown option ${arg}`);
		if (known[name] === 'flag') {
			found[name] = true;
			continue;
		}
		const value = Number(args.shift());
		if (!Number.isInteger(value))
			fail(`${arg} wants a number`);
		found[name] = value;
	}
	return found;
};

/* What the clients sent, message by message. */
exports.Counters = class {
	constructor() {
		this.handshakes = 0;
		this.subscribes = {};
		this.unsubscribes = {};
		this.publishes = 0;
		this.connects = 0;
		this.disconnects = 0;
	}

	count(message) {
		const kind = /^\/meta\/(.*)$/.exec(message.channel);
		if (kind === null)
			this.publishes++;
		else if (kind[1] === 'subscribe' || kind[1] === 'unsubscribe')
			this.tally(this[`${kind[1]}s`], String(message.subscription));
		else if (`${kind[1]}s` in this)
			this[`${kind[1]}s`]++;
	}

	tally(table, channel) {
		table[channel] = (table[channel] || 0) + 1;
	}

	get(kind) {
		const value = this[kind];
		if (typeof value !== 'object')
			return value;
		return Object.values(value).reduce((sum, n) => sum + n, 0);
	}
};

/*
 * Listens on the loopback interface and obeys. `server` is an http.Server;
 * `actions` gives publish(channel, data), kick(), expire() and sessions().
 */
exports.serve = (server, port, counters, actions) => {
	const deadline = Date.now() + BIND_PATIENCE_MS;
	const bind = () => server.listen(port, '127.0.0.1');

	/* a test restarts the server on the port of the one it just killed */
	server.on('error', (error) => {
		if (error.code !== 'EADDRINUSE' || Date.now() > deadline)
			fail(error.message);
		setTimeout(bind, 20);
	});
	server.on('listening', () => {
		say(`listening ${server.address().port}`);
		obey(counters, actions);
	});
	bind();
};

exports.createServer = (handler) => {
	const server = http.createServer(handler);

	/* a held connect is longer than what Node takes for a dead request */
	server.requestTimeout = 0;
	return server;
};

async function obey(counters, actions) {
	const lines = readline.createInterface({input: process.stdin});

	for await (const line of lines) {
		if (line === 'quit')
			break;
		try {
			say(await command(line, counters, actions));
		} catch (error) {
			say(`error ${error.message}`);
		}
	}
	process.exit(0);
}

async function command(line, counters, actions) {
	const [, verb, channel, rest] = /^(\S+)(?: (\S+))?(?: (.*))?$/s.exec(line) || [];

	switch (verb) {
	case 'stats':
		return JSON.stringify({...counters, sessions: actions.sessions()});
	case 'publish':
		actions.publish(channel, JSON.parse(rest));
		return 'ok';
	case 'burst':
		for (let n = 0; n < Number(rest); n++)
			actions.publish(channel, {n});
		return 'ok';
	case 'kick':
		actions.kick();
		return 'ok';
	case 'expire':
		actions.expire();
		return 'ok';
	case 'await': {
		const [count, ms] = rest.split(' ').map(Number);
		return await reached(channel, count, ms, counters, actions) ? 'ok' : 'timeout';
	}
	default:
		return 'error unknown command';
	}
}

async function reached(kind, count, ms, counters, actions) {
	const deadline = Date.now() + ms;

	for (;;) {
		if (kind === 'sessions' ? actions.sessions() === count : counters.get(kind) >= count)
			return true;
		if (Date.now() > deadline)
			return false;
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}

function say(line) {
	process.stdout.write(`${line}\n`);
}

function fail(reason) {
	process.stderr.write(`${process.argv[1]}: ${reason}\n`);
	process.exit(2);
}
