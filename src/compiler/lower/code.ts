/**
 * The code of one function while it is being written: operations, registers and labels, in order.
 */
import {
  immediate,
  register,
  type IrFunction,
  type Label,
  type Located,
  type Operand,
  type Operation,
  type Origin,
  type Parameter,
  type Register,
} from '../ir/ir.ts'

export class Code {
  readonly operations: Located[] = []
  #registers = 0
  #labels = 0
  #origin: Origin | undefined
  readonly #mark: string

  /** `mark`: tells its labels from those of code that is written again in it. */
  constructor(mark = '.') {
    this.#mark = mark
  }

  /** From here on, what is added comes from there. The origin before. */
  moveTo(origin: Origin | undefined): Origin | undefined {
    const before = this.#origin
    this.#origin = origin
    return before
  }

  /** Where the next operation comes from. */
  get origin(): Origin | undefined {
    return this.#origin
  }

  add(operation: Operation): void {
    const origin = this.#origin
    this.operations.push(origin === undefined ? operation : { ...operation, origin })
  }

  register(): Register {
    return register(this.#registers++)
  }

  /** A label nobody has: `name` says what for. */
  label(name: string): Label {
    return `${name}${this.#mark}${++this.#labels}`
  }

  mark(label: Label): void {
    this.add({ op: 'label', label })
  }

  jump(label: Label): void {
    this.add({ op: 'jump', label })
  }

  /** A register of its own with the operand's value. */
  copy(from: Operand): Register {
    const to = this.register()
    this.add({ op: 'move', to, from })
    return to
  }

  /** The operand as a register: constants get one. */
  inRegister(operand: Operand): Register {
    return operand.kind === 'register' ? operand : this.copy(operand)
  }

  /** 0 or 1: does the code that `branches` writes, which goes to one of both labels, go to the first? */
  truth(branches: (whenTrue: Label, whenFalse: Label) => void): Register {
    const to = this.register()
    const [yes, no, end] = [this.label('true'), this.label('false'), this.label('known')]
    branches(yes, no)
    this.mark(yes)
    this.add({ op: 'move', to, from: immediate(1) })
    this.jump(end)
    this.mark(no)
    this.add({ op: 'move', to, from: immediate(0) })
    this.mark(end)
    return to
  }

  /** What `like` is, with the code written here. */
  finish(
    like: Pick<IrFunction, 'name' | 'isApart' | 'origin'>,
    parameters: readonly Parameter[],
  ): IrFunction {
    const { name, isApart, origin } = like
    return {
      name,
      parameters,
      operations: this.operations,
      registerCount: this.#registers,
      isApart,
      ...(origin !== undefined && { origin }),
    }
  }
}
