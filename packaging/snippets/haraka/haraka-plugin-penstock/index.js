'use strict'

// Asks penstockd about each connection before the greeting, by its plain line protocol: "connect
// ADDRESS PORT", answered by "220" or by "451 4.3.2 NAME REASON". Whatever else comes, or nothing
// within the timeout, admits the client.

const net = require('node:net')
const DSN = require('haraka-dsn')

const ANSWER_MAX = 1024 // octets; the answer has 770 at most
const REFUSAL = /^(451|421) 4\.(\d)\.(\d) ([\x20-\x7e]+)$/

let lingering = 0

exports.register = function () {
  this.load_penstock_ini()
  this.register_hook('connect', 'penstock_ask')
  this.register_hook('disconnect', 'penstock_leave')
}

exports.load_penstock_ini = function () {
  const ini = this.config.get('penstock.ini', { booleans: ['-main.loopback'] }, () => {
    this.load_penstock_ini()
  })
  const number = (text, usual) => (Number(text) > 0 ? Number(text) : usual)
  this.penstock = {
    path: ini.main.socket || '/run/penstock/line.sock',
    timeout_ms: number(ini.main.timeout, 1) * 1000,
    linger_ms: number(ini.main.linger, 20) * 1000,
    linger_max: number(ini.main.linger_max, 1000),
    loopback: ini.main.loopback,
  }
}

// One question; done(line) is called once, with '' for every failure.
function question(cfg, line, done) {
  let text = ''
  const socket = net.connect(cfg.path)
  const end = (answer) => {
    if (!done) return
    clearTimeout(timer)
    const call = done
    done = null
    socket.destroy()
    call(answer)
  }
  const timer = setTimeout(() => end(''), cfg.timeout_ms)
  socket.on('error', () => end(''))
  socket.on('close', () => end(''))
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1')
    const at = text.indexOf('\n')
    if (at >= 0) end(text.slice(0, at).trim())
    else if (text.length > ANSWER_MAX) end('')
  })
  socket.write(line)
}

exports.penstock_ask = function (next, connection) {
  const { ip, port } = connection.remote
  if (!this.penstock.loopback && (ip === '127.0.0.1' || ip === '::1')) return next()
  question(this.penstock, `connect ${ip} ${port}\n`, (answer) => {
    const refusal = REFUSAL.exec(answer)
    if (!refusal) return next()
    const [, code, subject, detail, text] = refusal
    connection.loginfo(this, `deferred: ${answer}`)
    if (code === '421' || lingering >= this.penstock.linger_max)
      return next(DENYSOFTDISCONNECT, DSN.create(421, text, Number(subject), Number(detail)))
    lingering++
    connection.notes.penstock = setTimeout(() => connection.disconnect(), this.penstock.linger_ms)
    next(DENYSOFT, DSN.create(451, text, Number(subject), Number(detail)))
  })
}

exports.penstock_leave = function (next, connection) {
  if (connection.notes.penstock) {
    clearTimeout(connection.notes.penstock)
    connection.notes.penstock = null
    lingering--
  }
  next()
}
