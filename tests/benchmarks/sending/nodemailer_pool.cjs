// How long does nodemailer's pool take for so many messages? Prints the seconds of the sends alone.
// node nodemailer_pool.cjs FOLDER PORT COUNT SIZE raw|html
const [folder, port, count, size, form] = process.argv.slice(2);
const nodemailer = require(require.resolve("nodemailer", { paths: [folder] }));

const line = "A line of text as quoted-printable leaves it, up to the width it allows=20=\r\n";
const body = line.repeat(Math.floor(Number(size) / line.length));
const transport = nodemailer.createTransport({
  pool: true, maxConnections: 20, maxMessages: Infinity,
  host: "127.0.0.1", port: Number(port), secure: false, ignoreTLS: true,
});

function message(number) {
  const to = `reader${number}@example.com`;
  const link = `<https://news.example.com/u/${String(number).padStart(32, "0")}>`;
  if (form === "raw") {
    const head = `From: News <news@example.com>\r\nTo: ${to}\r\nSubject: Issue ${number}\r\nList-Unsubscribe: ${link}\r\n\r\n`;
    return { envelope: { from: "bounce@example.com", to }, raw: head + body };
  }
  return {
    from: "News <news@example.com>", to, subject: `Issue ${number}`, html: body,
    headers: { "List-Unsubscribe": link },
  };
}

async function main() {
  const start = process.hrtime.bigint();
  await Promise.all(Array.from({ length: Number(count) }, (_, number) => transport.sendMail(message(number))));
  console.log(Number(process.hrtime.bigint() - start) / 1e9);
  transport.close();
}

main();
