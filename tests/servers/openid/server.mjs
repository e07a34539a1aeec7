// A real OpenID provider (panva's oidc-provider, certified) on loopback, for tests. Whoever signs in says yes:
// the account is the one that the client hints at, or the one that /control names. Usage: node server.mjs PORT
import { randomBytes } from 'node:crypto';
import { importSPKI, jwtVerify } from 'jose';
import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const secrets = JSON.parse(process.env.OPENID_SECRETS);
// what a test may change while it runs
const control = { life: 3600, rotate: true, deny: false, down: false, account: null, key: null, requests: [] };
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'bridge', token_endpoint_auth_method: 'none', application_type: 'native',
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      redirect_uris: ['http://127.0.0.1/', 'http://127.0.0.1/oauth/answer'], response_types: ['code'],
    },
    {
      client_id: 'robot', client_secret: secrets.robot, token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    },
    { client_id: 'dovecot', client_secret: secrets.dovecot, redirect_uris: [], response_types: [], grant_types: [] },
  ],
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
  cookies: { keys: [randomBytes(16).toString('hex')] },
  scopes: ['openid', 'offline_access', 'email', 'mail'],
  claims: { openid: ['sub'], email: ['email'] },
  conformIdTokenClaims: false,
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, email: id }) }),
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: () => control.rotate,
  pkce: { required: () => true },
  ttl: { AccessToken: () => control.life, ClientCredentials: () => control.life },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: (ctx, form) => { ctx.body = form; },
      userCodeConfirmSource: (ctx, form) => { ctx.body = form; },
      successSource: (ctx) => { ctx.body = 'signed in'; },
    },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
    userinfo: { enabled: true },
  },
});

async function interact(ctx) {
  const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res);
  if (control.deny) {
    const result = { error: 'access_denied', error_description: 'the person said no' };
    return provider.interactionFinished(ctx.req, ctx.res, result);
  }
  if (prompt.name === 'login') {
    const accountId = control.account ?? params.login_hint ?? 'somebody@example.com';
    return provider.interactionFinished(ctx.req, ctx.res, { login: { accountId } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return provider.interactionFinished(ctx.req, ctx.res, { consent: { grantId: await grant.save() } });
}

async function body(ctx) {
  const pieces = [];
  for await (const piece of ctx.req) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

// RFC 7523 as Google has it: no client, the assertion says all
async function serviceAccount(ctx) {
  const asked = new URLSearchParams(await body(ctx));
  try {
    if (asked.get('grant_type') !== JWT_BEARER) throw new Error('wrong grant');
    const key = await importSPKI(control.key, 'RS256');
    const audience = `${issuer}/service/token`;
    const { payload } = await jwtVerify(asked.get('assertion'), key, { audience, maxTokenAge: '1h' });
    const token = new provider.AccessToken({
      accountId: payload.sub, client: await provider.Client.find('robot'), scope: asked.get('scope'), grantId: 'service',
    });
    const grant = new provider.Grant({ accountId: payload.sub, clientId: 'robot' });
    grant.addOIDCScope(asked.get('scope'));
    token.grantId = await grant.save();
    ctx.body = { access_token: await token.save(), token_type: 'Bearer', expires_in: control.life };
  } catch (error) {
    ctx.status = 400;
    ctx.body = { error: 'invalid_grant', error_description: error.message };
  }
}

async function change(ctx) {
  if (ctx.method === 'POST') Object.assign(control, JSON.parse(await body(ctx)));
  ctx.body = control;
}

provider.use(async (ctx, next) => {
  if (ctx.path === '/control') return change(ctx);
  control.requests.push(`${ctx.method} ${ctx.path}`);
  if (control.down) {
    ctx.status = 503;
    ctx.body = 'away';
    return undefined;
  }
  if (ctx.path.startsWith('/interaction/')) return interact(ctx);
  if (ctx.path === '/service/token') return serviceAccount(ctx);
  return next();
});
provider.on('server_error', (_ctx, error) => console.error(error));
provider.listen(port, '127.0.0.1', () => console.log(`OpenID provider at ${issuer}`));
