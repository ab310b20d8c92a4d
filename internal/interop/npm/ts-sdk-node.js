// node ts-sdk-node.js <origin of the proxy>, with the Cookie header in $COOKIE or an
// access key in $KEY, and a picture, in base64, on standard input.
import { text } from "node:stream/consumers";
import { exercise, stock } from "./ts-sdk.js";

const proxy = process.argv[2] + "/spotify";
const { COOKIE: Cookie, KEY: key } = process.env;

const throughProxy = (url, init) => fetch(proxy + url.slice(url.lastIndexOf("/v1/")), init);
const withCookie = (url, init) => throughProxy(url, { ...init, headers: { ...init.headers, Cookie } });

const result = await exercise(key ? stock(throughProxy, key) : stock(withCookie), await text(process.stdin));
console.log(JSON.stringify(result));
