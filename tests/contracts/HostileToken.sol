// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title HostileToken
/// @notice An ERC-20 that misbehaves on demand, for tests: towards one recipient, or by taking a fee.
contract HostileToken is ERC20 {
    /// @notice How it misbehaves when it pays the target.
    enum Mode {
        Honest,
        ReturnsFalse,
        Reverts,
        ReturnsNothing,
        CallsBack,
        ReturnsSixtyKilobytes,
        BurnsAllGas,
        ReturnsTwo,
        CallsBackThenReturnsFalse
    }

    address public target;
    Mode public mode;
    bool public takesFee;
    address public victim;
    bytes[] public calls;
    uint256 public callsThatSucceeded;

    constructor() ERC20("Hostile", "HOST") {
        _mint(msg.sender, 1e30);
    }

    function misbehave(address target_, Mode mode_, bool takesFee_, address victim_, bytes[] calldata calls_)
        external
    {
        (target, mode, takesFee, victim, callsThatSucceeded) = (target_, mode_, takesFee_, victim_, 0);
        delete calls;
        for (uint256 i; i < calls_.length; ++i) {
            calls.push(calls_[i]);
        }
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        _spendAllowance(from, msg.sender, value);
        _transfer(from, to, takesFee ? value - value / 100 : value);
        return true;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        if (to != target || mode == Mode.Honest) {
            _transfer(msg.sender, to, value);
            return true;
        }
        if (mode == Mode.ReturnsFalse) return false;
        if (mode == Mode.Reverts) revert("blocked");
        if (mode == Mode.ReturnsNothing) {
            _transfer(msg.sender, to, value);
            assembly {
                return(0, 0)
            }
        }
        if (mode == Mode.ReturnsSixtyKilobytes) {
            assembly {
                revert(0, 60000)
            }
        }
        if (mode == Mode.BurnsAllGas) {
            assembly {
                invalid()
            }
        }
        if (mode == Mode.ReturnsTwo) {
            assembly {
                mstore(0, 2)
                return(0, 32)
            }
        }
        _callBack();
        if (mode == Mode.CallsBackThenReturnsFalse) return false;
        _transfer(msg.sender, to, value);
        return true;
    }

    function _callBack() private {
        for (uint256 i; i < calls.length; ++i) {
            (bool ok,) = victim.call(calls[i]);
            if (ok) ++callsThatSucceeded;
        }
    }
}
