/**
 * What would happen to a packet, and why: the packet path runs it on a copy of the tables, and the difference is told.
 *
 * The copy is of all tables, some 200 MB with the sizes of a live daemon, and is forgotten at once
 * (docs/decisions/0003-a-laboratory-for-recorded-frames.md). A daemon makes it gradually, between frames.
 */
import { assert } from '../base/assert.ts'
import type { Explanation } from '../control/protocol.ts'
import { reasonName, verdictName } from '../dataplane/reason-text.ts'
import { verdictOf } from '../dataplane/verdict.ts'
import type { TableSet } from '../subset/table.ts'
import { nameServer, nameService, virtualPortOf } from './name.ts'
import { probe, refuseQuestion, type Question } from './probe.ts'
import { tellOutcome } from './story-outcome.ts'
import { tellSearch } from './story-search.ts'

type NameInterface = (index: number) => string

/** On a copy made at once; `tables` are in use afterwards. Asserts that `refuseQuestion` has nothing to say. */
export function explain(
  tables: TableSet,
  question: Question,
  nameInterface?: NameInterface,
): Explanation {
  return explainOn(tables.copy(), tables, question, nameInterface)
}

/** As `explain`, on `paper`, which is changed. */
export function explainOn(
  paper: TableSet,
  tables: TableSet,
  question: Question,
  nameInterface: NameInterface = (index) => `interface ${index}`,
): Explanation {
  const refusal = refuseQuestion(question)
  assert(refusal === undefined, refusal?.message ?? '')
  try {
    paper.use()
    const trial = probe(question)
    const outcome = tellOutcome(trial, nameInterface)
    const { reason, service, server, connection } = trial
    const named = {
      service: nameService(service),
      server: nameServer(server, virtualPortOf(connection)),
    }
    tables.use()
    return {
      verdict: verdictName(verdictOf(reason)),
      reason: reasonName(reason),
      ...named,
      steps: [...tellSearch(trial, nameInterface(trial.ingress)), ...outcome],
    }
  } finally {
    tables.use()
  }
}
